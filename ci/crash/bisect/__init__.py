"""Which build brought a failure that shows only now and then: Bayes instead of yes and no."""
