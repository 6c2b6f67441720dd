"""What is known of a running stack from its messages: rates, latencies, losses, and what is not as it should be."""
