"""The results warehouse: measurements in, SQL views, optimal taxonomies and reports out.

`warehouse` opens the DuckDB file, `sql/` holds one relation per file, `published` imports printed
measurements and `load` the losses that trials leave, `win_rates` compares them and `bootstrap` puts
error bars on what follows, `selection` solves the integer program, `report` draws what came out.
Knows the catalogue and neither the controller nor the training jobs.
"""
