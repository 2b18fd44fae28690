"""The registry of everything that is stored about people: each app registers its stores in `stored_data/personal_data_stores.py`."""
