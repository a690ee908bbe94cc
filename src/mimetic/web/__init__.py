"""The page and the HTTP interface under it: ``mimetic serve RUN... [--data DATA]``.

In go finished runs, and a data set where there is one; out comes a web application that answers on this machine alone
unless told otherwise. ``app.create_app`` puts it together. Nothing that it serves is fetched from anywhere else.
"""
