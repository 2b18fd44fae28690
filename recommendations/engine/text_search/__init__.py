"""Text search in short product texts; words separated by spaces, and Chinese and Japanese without.

Documents(keys, texts)      columns by field: title, brand, category, tags, attributes, description (`FIELDS`)
TextIndex                   of(documents), with_changes(rows, documents), without_rows(rows), merge_segments(), search(text, synonyms=, allowed=)
                            → Matches(rows, scores, n_covered, exact, corrected, …), score(text, synonyms=) → .find_matches(allowed),
                            complete(prefix, n=), find_key(key), to_arrays() → (arrays by name, JSON), from_arrays(arrays, saved)
Synonyms                    of(groups)
find_top_positions(keys, ties, k)  positions of the k largest keys, the same in every run
"""

from recommendations.engine.text_search.documents import FIELDS, Documents
from recommendations.engine.text_search.index import TextIndex
from recommendations.engine.text_search.kernels import find_top_positions
from recommendations.engine.text_search.matches import Correction, Matches
from recommendations.engine.text_search.query_execution import ScoredQuery
from recommendations.engine.text_search.synonyms import Synonyms

__all__ = ["FIELDS", "Correction", "Documents", "Matches", "ScoredQuery", "Synonyms", "TextIndex", "find_top_positions"]
