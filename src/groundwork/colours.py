"""The colours of the things that are compared, in figures and in MLflow: Okabe and Ito's first, then more."""

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F3C8D", "#666666"),
    *("#8C564B", "#17BECF", "#BCBD22", "#1B4F2A", "#F781BF", "#003366", "#FF6F61", "#88CC66"),
)
