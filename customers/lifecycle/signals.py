"""Signals to apps that lifecycle does not import.

`channel_responses_requested`: customer_id, as_of. A receiver returns a list of `portrait.responses.ChannelResponses`, for channels about
which its app has more than the events.
"""

from django.dispatch import Signal

channel_responses_requested = Signal()
