"""Who may view and process privacy requests."""

VIEW = "privacy.view_privacyrequest"
CHANGE = "privacy.change_privacyrequest"
CHANGE_SETTINGS = "privacy.change_privacysettings"
