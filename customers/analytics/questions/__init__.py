"""One file per question: its parameters, its Ibis expression, its result, and the people behind each figure."""
