"""Giving used databases out again: only what is proven equal to its template.

`reading` sees what a test has touched, `blueprint` knows what the template holds, `restore` puts
that back, `proving` does not believe it before it has looked again, and `recycler` decides.
"""
