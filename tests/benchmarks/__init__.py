"""liftwing-host beside other model servers: see README.md."""
