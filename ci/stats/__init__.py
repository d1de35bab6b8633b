"""What a number of loops proves: exact intervals, tests and plans. Formulas: docs/statistics.md."""
