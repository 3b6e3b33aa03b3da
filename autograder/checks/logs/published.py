"""Accuracies that torchvision publishes with its weights: who ends with them may have copied them.

Two trainings of one network differ by some tenths of a percent. The published top-1 and top-5 together, to
the last of 50,000 images, are what an evaluation of the published weights prints.
"""

from __future__ import annotations

from collections.abc import Iterator

from autograder.checks.logs.found import LoggedEpoch, Suspicion, TrainingLog

COARSEST = 1.1e-5  # of the printed digits: two places of a per cent are hit by chance
_HALF = 1e-5  # 69.758 is 34,879 of 50,000; the next is 69.760
# Network, top-1 and top-5 in per cent: what the weights of torchvision 0.28 say in their meta data.
_PUBLISHED = """
alexnet 56.522 79.066
convnext_base 84.062 96.870
convnext_large 84.414 96.976
convnext_small 83.616 96.650
convnext_tiny 82.520 96.146
densenet121 74.434 91.972
densenet161 77.138 93.560
densenet169 75.600 92.806
densenet201 76.896 93.370
efficientnet_b0 77.692 93.532
efficientnet_b1 78.642 94.186
efficientnet_b1 79.838 94.934
efficientnet_b2 80.608 95.310
efficientnet_b3 82.008 96.054
efficientnet_b4 83.384 96.594
efficientnet_b5 83.444 96.628
efficientnet_b6 84.008 96.916
efficientnet_b7 84.122 96.908
efficientnet_v2_l 85.808 97.788
efficientnet_v2_m 85.112 97.156
efficientnet_v2_s 84.228 96.878
googlenet 69.778 89.530
inception_v3 77.294 93.450
maxvit_t 83.700 96.722
mnasnet0_5 67.734 87.490
mnasnet0_75 71.180 90.496
mnasnet1_0 73.456 91.510
mnasnet1_3 76.506 93.522
mobilenet_v2 71.878 90.286
mobilenet_v2 72.154 90.822
mobilenet_v3_large 74.042 91.340
mobilenet_v3_large 75.274 92.566
mobilenet_v3_small 67.668 87.402
regnet_x_16gf 80.058 94.944
regnet_x_16gf 82.716 96.196
regnet_x_1_6gf 77.040 93.440
regnet_x_1_6gf 79.668 94.922
regnet_x_32gf 80.622 95.248
regnet_x_32gf 83.014 96.288
regnet_x_3_2gf 78.364 93.992
regnet_x_3_2gf 81.196 95.430
regnet_x_400mf 72.834 90.950
regnet_x_400mf 74.864 92.322
regnet_x_800mf 75.212 92.348
regnet_x_800mf 77.522 93.826
regnet_x_8gf 79.344 94.686
regnet_x_8gf 81.682 95.678
regnet_y_128gf 86.068 97.844
regnet_y_128gf 88.228 98.682
regnet_y_16gf 80.424 95.240
regnet_y_16gf 82.886 96.328
regnet_y_16gf 83.976 97.244
regnet_y_16gf 86.012 98.054
regnet_y_1_6gf 77.950 93.966
regnet_y_1_6gf 80.876 95.444
regnet_y_32gf 80.878 95.340
regnet_y_32gf 83.368 96.498
regnet_y_32gf 84.622 97.480
regnet_y_32gf 86.838 98.362
regnet_y_3_2gf 78.948 94.576
regnet_y_3_2gf 81.982 95.972
regnet_y_400mf 74.046 91.716
regnet_y_400mf 75.804 92.742
regnet_y_800mf 76.420 93.136
regnet_y_800mf 78.828 94.502
regnet_y_8gf 80.032 95.048
regnet_y_8gf 82.828 96.330
resnet101 77.374 93.546
resnet101 81.886 95.780
resnet152 78.312 94.046
resnet152 82.284 96.002
resnet18 69.758 89.078
resnet34 73.314 91.420
resnet50 76.130 92.862
resnet50 80.858 95.434
resnext101_32x8d 79.312 94.526
resnext101_32x8d 82.834 96.228
resnext101_64x4d 83.246 96.454
resnext50_32x4d 77.618 93.698
resnext50_32x4d 81.198 95.340
shufflenet_v2_x0_5 60.552 81.746
shufflenet_v2_x1_0 69.362 88.316
shufflenet_v2_x1_5 72.996 91.086
shufflenet_v2_x2_0 76.230 93.006
squeezenet1_0 58.092 80.420
squeezenet1_1 58.178 80.624
swin_b 83.582 96.640
swin_s 83.196 96.360
swin_t 81.474 95.776
swin_v2_b 84.112 96.864
swin_v2_s 83.712 96.816
swin_v2_t 82.072 96.132
vgg11 69.020 88.628
vgg11_bn 70.370 89.810
vgg13 69.928 89.246
vgg13_bn 71.586 90.374
vgg16 71.592 90.382
vgg16 nan nan
vgg16_bn 73.360 91.516
vgg19 72.376 90.876
vgg19_bn 74.218 91.842
vit_b_16 81.072 95.318
vit_b_16 81.886 96.180
vit_b_16 85.304 97.650
vit_b_32 75.912 92.466
vit_h_14 85.708 97.730
vit_h_14 88.552 98.694
vit_l_16 79.662 94.638
vit_l_16 85.146 97.422
vit_l_16 88.064 98.512
vit_l_32 76.972 93.070
wide_resnet101_2 78.848 94.284
wide_resnet101_2 82.510 96.020
wide_resnet50_2 78.468 94.086
wide_resnet50_2 81.602 95.758
"""


def published(log: TrainingLog) -> Iterator[Suspicion]:
    """The best or the last epoch has the accuracies that torchvision gives for its own weights."""
    for one in dict.fromkeys(one for one in (log.best, log.last) if one is not None):
        names = _of(one)
        if names:
            yield Suspicion(
                f"Epoch {one.number} has {100 * (one.top1 or 0):.3f} % top-1 and "
                f"{100 * (one.top5 or 0):.3f} % top-5: to the last image what torchvision publishes for its "
                f"weights of {', '.join(names[:3])}.",
                one.line,
                "strong",
                "published accuracy",
            )
            return


def _of(one: LoggedEpoch) -> list[str]:
    if one.top1 is None or one.top5 is None or one.digit is None or one.digit > COARSEST:
        return []
    found = []
    for row in filter(None, _PUBLISHED.split("\n")):
        name, top1, top5 = row.split()
        if abs(float(top1) / 100 - one.top1) < _HALF and abs(float(top5) / 100 - one.top5) < _HALF:
            found.append(name)
    return found
