"""How languages write numbers and dates where Django knows it otherwise than their readers."""
