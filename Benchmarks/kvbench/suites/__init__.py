"""What is measured. A module has SUMMARY, a line of help; add_arguments(parser); and run(options), which gives an
Outcome."""
