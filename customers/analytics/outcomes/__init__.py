"""The four outcomes of a shop by week, month or quarter: retention, conversion, satisfaction and growth. One file per measure."""
