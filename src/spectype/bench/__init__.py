"""How fast, beside a named alternative?"""
