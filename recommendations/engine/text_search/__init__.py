"""Search in short texts such as those of products: typed words to documents, in arrays; English and whatever is written with
spaces, Chinese and Japanese without.

    Documents(keys, texts)      columns by field: title, brand, category, tags, attributes, description (`FIELDS`)
    TextIndex                   of(documents), with_changes(rows, documents), without(rows), merged(), search(text, synonyms=, allowed=)
                                → Matches(rows, scores, covered, exact, corrected, …), scored(text, synonyms=) → .matches(allowed),
                                completions(beginning, n=), rows_of_key(key),
                                arrays() → (arrays by name, what JSON can hold), from_arrays(arrays, saved)
    Synonyms                    of(groups)
    top_rows(keys, ties, k)     places of the k largest, the same in every run
"""

from recommendations.engine.text_search.documents import FIELDS, Documents
from recommendations.engine.text_search.index import Correction, Matches, ScoredQuery, TextIndex
from recommendations.engine.text_search.kernels import top_places
from recommendations.engine.text_search.synonyms import Synonyms

__all__ = ["FIELDS", "Correction", "Documents", "Matches", "ScoredQuery", "Synonyms", "TextIndex", "top_places"]
