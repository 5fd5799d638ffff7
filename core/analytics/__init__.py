"""Performance figures: pure functions of numbers, one family a file.

Fractions are plain numbers (0.05 is 5 %). A figure that the data cannot give is None, never NaN or infinite;
input that is itself NaN or infinite is a `ValueError`.
"""
