"""A study's results as one page and its pictures.

`contents` reads the warehouse into plain data (all the SQL is there), `pictures` draws it as PNG
and SVG, `page` renders the self-contained HTML from `templates/`, `write` puts them into a folder.
"""
