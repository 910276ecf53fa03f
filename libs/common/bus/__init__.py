"""The event bus: outbox, relay, inbox, consumers and dead letters, on MongoDB and Kafka."""
