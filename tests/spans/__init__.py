"""One story in the shape of every framework's spans, written by hand after what each writes."""
