"""How a service stands, for operators: measured when somebody asks, from its database and from Kafka."""
