"""Answers questions about what groups of people do: funnels, retention, paths, trends and more.

Public interface:
- `questions.registry.QUESTIONS`: each question with its parameters, result, selection, and the functions that answer it.
- `expressions.parameters.parse_parameters(question.parameters, json)` and `dump_parameters`: parameters from and to JSON.
- `results.get_result(question=…, parameters=…, now=…)`: the stored result with its as-of, duration and error, and whether it is
  current; it is computed in the background if not. `results.cancel_result`, `results.compute_result`.
- `people.find_people(question=…, parameters=…, selection=…, now=…)`: the customers behind one figure.
- `vocabulary.list_events` and `list_properties`: what a page offers to choose from, with counts.

Nothing here imports `customers.processing`.
"""
