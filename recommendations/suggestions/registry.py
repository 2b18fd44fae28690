"""The kinds of suggestions."""

from recommendations.suggestions.kinds.campaigns import CampaignSuggestions
from recommendations.suggestions.kinds.experiments import ExperimentSuggestions
from recommendations.suggestions.kinds.rules import RuleSuggestions
from recommendations.suggestions.suggestion import SuggestionKind

KINDS: dict[str, SuggestionKind] = {
    kind.key: kind for kind in (CampaignSuggestions(), RuleSuggestions(), ExperimentSuggestions())
}
