"""Parts that the questions share: parameters, events as Ibis tables, periods, breakdowns and the functions of each engine."""
