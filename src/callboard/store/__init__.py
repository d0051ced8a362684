"""The store: the only package that speaks SQL. One module a table or a flow; statements stand in `sql/`."""
