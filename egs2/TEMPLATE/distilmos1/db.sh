# shellcheck shell=bash disable=SC2034  # read by local/data.sh, which sources this
# Where the corpora lie, as in every ESPnet recipe. Fill in those that you have, or set
# them in the environment: BVCC=/data/bvcc ./run.sh

BVCC=${BVCC-}           # VoiceMOS 2022, main track: the folder that holds main/
BC19=${BC19-}           # VoiceMOS 2022, out-of-domain track: the folder that holds ood/
SOMOS=${SOMOS-}         # the folder that holds audios/ and training_files/
NISQA=${NISQA-}         # NISQA_Corpus/
TMHINT_QI=${TMHINT_QI-} # the folder that holds raw_data.csv, train/ and test/
SINGMOS=${SINGMOS-}     # VoiceMOS 2024, track 2: the folder that holds DATA/
P835=${P835-}           # the checkout of microsoft/P.808, or its p835_reference_conditions/
CODEC_MUSHRA=${CODEC_MUSHRA-} # the checkout of BenjSta/bernoulli-var-speech-codec, or its mushra_results_dataset/
