"""Measures of samples and likelihoods."""
