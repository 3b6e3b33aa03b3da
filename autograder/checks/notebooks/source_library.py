"""The libraries' names that reading a source needs: which call makes data, an optimizer or a transform.

Names are matched by their last part, because students import them in every way there is.
"""

from __future__ import annotations

import re

from autograder.checks.notebooks.source_facts import Split

FRAMEWORKS = {
    "torch": "torch",
    "torchvision": "torch",
    "pytorch_lightning": "torch",
    "lightning": "torch",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "tensorflow_datasets": "tensorflow",
    "fastai": "fastai",
    "fastbook": "fastai",
    "fastcore": "fastai",
    "jax": "jax",
    "flax": "jax",
    "optax": "jax",
    "sklearn": "sklearn",
    "mxnet": "mxnet",
}

# Constructor -> its data set's name, for those with train=True as the second parameter.
WITH_TRAIN_FLAG = frozenset(
    "MNIST FashionMNIST KMNIST QMNIST EMNIST CIFAR10 CIFAR100 USPS SEMEION Omniglot".split()
)
WITH_SPLIT = frozenset(
    "SVHN STL10 ImageNet Food101 Caltech101 Caltech256 CelebA Flowers102 OxfordIIITPet GTSRB StanfordCars "
    "Places365 Country211 DTD EuroSAT FGVCAircraft PCAM TinyImageNet Imagenette".split()
)
FOLDERS = frozenset("ImageFolder DatasetFolder image_dataset_from_directory flow_from_directory".split())
KERAS_DATA = {
    "mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
    "imdb": "IMDB",
    "reuters": "Reuters",
    "boston_housing": "Boston housing",
}
WHOLE_DATA = {
    "load_digits": "digits",
    "load_iris": "iris",
    "load_wine": "wine",
    "load_breast_cancer": "breast cancer",
    "mnist_data": "MNIST (5,000)",
}
# Names as in tfds.load("mnist"), load_dataset("cifar10"), fetch_openml("mnist_784").
KNOWN_NAMES = {
    "mnist": "MNIST",
    "mnist_784": "MNIST",
    "ylecun/mnist": "MNIST",
    "fashion_mnist": "FashionMNIST",
    "fashion-mnist": "FashionMNIST",
    "zalando-datasets/fashion_mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar_10": "CIFAR10",
    "uoft-cs/cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
BY_NAME = frozenset("load load_dataset fetch_openml fetch_mldata load_as_numpy".split())
# fastai's archives whose folders hold both the training and the test images.
FASTAI_WITH_TEST = {"MNIST": "MNIST", "CIFAR": "CIFAR10", "CIFAR_100": "CIFAR100"}

_FILES = (
    (re.compile(r"train-(?:images|labels)|mnist[_-]train|fashion[_-]mnist[_-]train"), "MNIST", Split.TRAIN),
    (re.compile(r"t10k-(?:images|labels)|mnist[_-]test|fashion[_-]mnist[_-]test"), "MNIST", Split.TEST),
    (re.compile(r"data_batch|cifar[_-]?10[_-]train"), "CIFAR10", Split.TRAIN),
    (re.compile(r"(?:^|[/\\])test_batch|cifar[_-]?10[_-]test"), "CIFAR10", Split.TEST),
)
_FOLDER_SPLITS = {
    "train": Split.TRAIN,
    "training": Split.TRAIN,
    "trn": Split.TRAIN,
    "test": Split.TEST,
    "testing": Split.TEST,
    "tst": Split.TEST,
    "val": Split.VALID,
    "valid": Split.VALID,
    "validation": Split.VALID,
}


def data_file(text: str) -> tuple[str, Split] | None:
    """The data set whose usual file ``text`` names."""
    if len(text) > 300:
        return None
    folded = text.casefold()
    return next(((name, split) for pattern, name, split in _FILES if pattern.search(folded)), None)


def folder_split(text: str) -> Split | None:
    """The split that the last telling folder of a path names."""
    words = re.split(r"[/\\\s]+", text[:300].casefold())
    return next((_FOLDER_SPLITS[word] for word in reversed(words) if word in _FOLDER_SPLITS), None)


def split_word(text: str) -> Split:
    """What ``split="train[:90%]"`` and the like ask for."""
    word = re.split(r"[\[:_]", text.casefold())[0].strip()
    if "+" in text and "test" in text and "train" in text:
        return Split.BOTH
    if word == "extra" or word.startswith("train"):
        return Split.TRAIN
    return _FOLDER_SPLITS.get(word, Split.UNKNOWN)


OPTIMIZERS = frozenset(
    "SGD Adam AdamW Adamax Adadelta Adagrad RMSprop RMSProp NAdam Nadam RAdam LBFGS Rprop ASGD SparseAdam "
    "Lion LAMB Lamb LARS Lars Ranger AdaBelief Adafactor Muon Lookahead SAM FTRL Ftrl AdamP SGDP AdaBound "
    "GradientDescentOptimizer AdamOptimizer MomentumOptimizer RMSPropOptimizer SGDClassifier".split()
)
OPTAX = frozenset("sgd adam adamw rmsprop adagrad lamb lion nadam radam adabelief yogi".split())
OPTIMIZER_WORDS = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "momentum": "SGD",
    "lion": "Lion",
}
SCHEDULERS = frozenset(
    "StepLR MultiStepLR ExponentialLR CosineAnnealingLR CosineAnnealingWarmRestarts ReduceLROnPlateau "
    "LambdaLR MultiplicativeLR CyclicLR OneCycleLR LinearLR "
    "ConstantLR PolynomialLR SequentialLR ChainedScheduler "
    "CosineLRScheduler StepLRScheduler LearningRateScheduler ExponentialDecay CosineDecay "
    "CosineDecayRestarts PiecewiseConstantDecay InverseTimeDecay PolynomialDecay GradualWarmupScheduler "
    "get_linear_schedule_with_warmup get_cosine_schedule_with_warmup cosine_decay_schedule "
    "warmup_cosine_decay_schedule exponential_decay".split()
)
AUGMENTATIONS = frozenset(
    "RandomCrop RandomHorizontalFlip RandomVerticalFlip RandomRotation RandomAffine RandomPerspective "
    "RandomResizedCrop RandomErasing RandomGrayscale RandomInvert RandomPosterize RandomSolarize "
    "RandomAdjustSharpness RandomAutocontrast RandomEqualize RandomApply RandomChoice RandomOrder "
    "RandomZoomOut RandomIoUCrop RandomPhotometricDistort ColorJitter GaussianBlur GaussianNoise "
    "ElasticTransform AutoAugment RandAugment TrivialAugmentWide TrivialAugment AugMix Cutout CutOut CutMix "
    "MixUp Mixup mixup_data cutmix_data RandomFlip "
    "RandomZoom RandomTranslation RandomContrast RandomBrightness "
    "aug_transforms Flip Rotate Zoom Warp Brightness Contrast HorizontalFlip ShiftScaleRotate "
    "CoarseDropout PadIfNeeded random_flip_left_right random_crop random_brightness random_contrast "
    "LabelSmoothing ImageDataGenerator".split()
) - {"LabelSmoothing", "PadIfNeeded", "Zoom", "Contrast", "Brightness", "Flip", "Rotate", "Warp"}
KERAS_GENERATOR = frozenset(
    "rotation_range width_shift_range height_shift_range shear_range zoom_range horizontal_flip "
    "vertical_flip brightness_range channel_shift_range".split()
)

KERAS_MODELS = re.compile(
    r"(?:VGG1[69]|ResNet(?:50|101|152)(?:V2)?|ResNetRS\d+|InceptionV3|InceptionResNetV2|Xception|MobileNet\w*|"
    r"DenseNet(?:121|169|201)|NASNet\w+|EfficientNet(?:V2)?\w+|ConvNeXt\w+|RegNet\w+)"
)
TORCHVISION_MODELS = re.compile(
    r"(?:alexnet|vgg\d+(?:_bn)?|resnet\d+|resnext\w+|wide_resnet\w+|densenet\d+|googlenet|inception_v3|mnasnet\w+|"
    r"mobilenet_\w+|shufflenet_\w+|squeezenet\w+|efficientnet_\w+|convnext_\w+|regnet_\w+|vit_\w+|swin_\w+|maxvit_\w+)"
)
WEIGHT_URL = frozenset("load_url load_state_dict_from_url hf_hub_download torch_hub_download".split())
LOADS = frozenset(
    "load load_model load_weights load_learner load_checkpoint restore load_file load_from_checkpoint".split()
)
SAVES = frozenset(
    "save save_model save_weights export save_checkpoint ModelCheckpoint SaveModelCallback dump save_file "
    "savez to_json".split()
)
PREPARES = re.compile(  # whose fit() looks at data, and trains no classifier
    r"(?:Scaler|Encoder|Binarizer|PCA|TSNE|UMAP|ImageDataGenerator|Normaliz|Imputer|Tokenizer|Vectorizer|Transformer)"
)
STATISTICS = frozenset("mean std var max min amax amin sum median unique bincount count histogram".split())
SHAPES = frozenset(
    "len size shape numel type isinstance id range print dim ndim nelement str repr format display imshow "
    "show plot imshow_grid summary hasattr getattr".split()
)
CONCATENATES = frozenset(
    "ConcatDataset concatenate concat cat vstack hstack row_stack chain append ChainDataset CombinedLoader "
    "concatenate_datasets".split()
)
HALVES = frozenset("random_split train_test_split".split())
LOADERS = frozenset(
    "DataLoader DeviceDataLoader WrappedDataLoader TfmdDL FastDataLoader Loader NumpyLoader".split()
)
SHELL_DOWNLOAD = re.compile(
    r"\b(?:wget|curl|gdown|aria2c|git\s+clone|kaggle\s+(?:datasets|competitions)\s+download|gsutil|"
    r"huggingface-cli\s+download|axel)\b.*"
)
DOWNLOADS = frozenset(
    "urlretrieve download_url get_file download_file wget snapshot_download hf_hub_download dataset_download "
    "download_and_extract_archive load_url load_state_dict_from_url".split()
)
