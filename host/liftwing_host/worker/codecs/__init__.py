"""How the body of a request becomes a payload, and a response becomes a body: one module for each protocol."""
