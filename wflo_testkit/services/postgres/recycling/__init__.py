"""Giving used databases out again: only what is proven equal to its template.

`reading` sees what a test has touched, `blueprint` knows what the template holds, `restore` puts
that back, and `recycler` does not believe it before it has looked again.
"""
