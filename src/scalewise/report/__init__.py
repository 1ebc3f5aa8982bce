"""Pictures and pages, drawn from files; knows no model and never imports torch."""
