"""Tables, plots and reports from the records of a run."""
