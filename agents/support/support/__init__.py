"""The sample agent under test: customer support of a bank, on Strands, served for AgentCore."""
