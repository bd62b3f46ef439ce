"""What scripts/soak is made of: chaos, peers that live through it, the judgement after it."""
