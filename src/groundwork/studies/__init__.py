"""One file a study: its question, what it compares, how it is drawn, what it claims, what it answers.

A study's module has TITLE, SOURCE, METRICS, HEADLINE and the functions train, figures, claims, printed, answer. Each
function imports what it needs, so that training does not load the drawing and a report does not load torch.
"""
