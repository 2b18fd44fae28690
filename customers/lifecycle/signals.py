"""What lifecycle asks the rooms above it, which it does not know.

`responses_asked`: customer_id, as_of. A receiver answers with `portrait_lines.responding.Responses` for each channel that it knows
more of than the events tell.
"""

from django.dispatch import Signal

channel_responses_requested = Signal()
