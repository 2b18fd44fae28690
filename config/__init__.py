"""Connects the parts of Perennial: settings, URLs, processes, the schedule. Other packages import only ``config.foundation``."""
