"""The REST API: parse the request, ask the view or a stage, answer. `routes` is the table of what there is."""
