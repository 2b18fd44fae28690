"""Signals through which lifecycle asks apps that it does not import.

`responses_asked`: customer_id, as_of. A receiver returns `portrait.responses.ChannelResponses` for each channel that it knows better than the events.
"""

from django.dispatch import Signal

channel_responses_requested = Signal()
