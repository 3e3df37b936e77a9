"""Judges: what no program can check is asked, in narrow questions, and the answers are held
against the conversation. Everything here is pure; who is asked is behind the port `Judge`."""
