"""People as teachers: three front ends on one store of preferences."""
