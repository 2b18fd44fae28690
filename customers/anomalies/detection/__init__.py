"""The mathematics of anomalies: what is expected of a day, how far from it is unusual, and which segment explains it. No Django."""
