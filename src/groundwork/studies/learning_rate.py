"""Which learning rate?"""
def train(block):
    import torch
    from groundwork.batches import Rows
    from groundwork.models.linear import LinearRegression
    from groundwork.streams import normal
    from groundwork.training import fit, results_of
    train, valid = (Rows(block.slice(f"{part}/X"), block.slice(f"{part}/y")) for part in ("train", "valid"))
    start = block.draw("start", (train.X.shape[-1], 1), normal)
    orders = block.orders(len(train), max(v.settings.epochs for v in block.variants))
    for variant in block.variants:
        model = LinearRegression(variant.settings.sigma * start, block.product)
        learner = fit(model, variant.settings, train, valid, orders)
        yield results_of(learner, {"w1": model.w[:, 0, 0], "w2": model.w[:, 1, 0], "b": model.b[:, 0, 0]}, {"w": model.w, "b": model.b}, variant.settings.epochs)
