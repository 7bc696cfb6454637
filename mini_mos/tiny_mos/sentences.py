"""What the synthetic voices say: sentences of this project's own."""

from typing import Dict, List

from mini_mos.corpus.signal import generator

_WHO = (
    "the old captain",
    "our new teacher",
    "my sister",
    "a tired baker",
    "the night nurse",
    "a young painter",
    "the last driver",
    "her uncle",
    "every student",
    "the village priest",
    "a careful thief",
    "the orchestra",
    "nobody here",
    "that strange visitor",
)
_DID = (
    "has already sold",
    "would never give away",
    "quietly repaired",
    "lost",
    "wants to buy",
    "was painting",
    "is looking for",
    "carried",
    "could not find",
    "will bring back",
    "has forgotten",
    "cleaned",
    "described",
    "photographed",
)
_WHAT = (
    "seven heavy boxes",
    "a silver bicycle",
    "the keys of the garden gate",
    "two yellow umbrellas",
    "an enormous fish",
    "the broken clock",
    "a letter from Geneva",
    "fresh bread and cheese",
    "the wrong suitcase",
    "three jars of honey",
    "a map of the coast",
    "the judge's chair",
    "thirty photographs",
    "a pair of leather shoes",
)
_WHEN = (
    "before the rain began.",
    "on Thursday morning.",
    "without saying a word.",
    "at the station.",
    "for the third time this year.",
    "just after midnight.",
    "while we were asleep.",
    "as quickly as possible.",
    "in front of the theatre.",
    "near the frozen lake.",
    "since the bridge was closed.",
    "though it was far too late.",
)
_ASKED = (
    "How much does it cost to send this parcel to Brazil?",
    "Could you turn the music down, please?",
    "Why should anybody believe such a story?",
    "Where did you put the small blue cups?",
    "Is there another train before eight o'clock?",
    "Which of these two roads leads to the valley?",
)

# Japanese, in the phonemes that Kokoro was trained with: its Japanese voices speak it
# as listeners know it, and nothing has to be installed that reads Japanese.
JAPANESE = (
    "kʲoː βa totemo ii teŋkʲi desɨ ne.",
    "ekʲi made βa, aɾɯite ʥɨːbɯɴ ɡɯɾai desɨ.",
    "aɕita no asa, ɾokɯʥi ɲi okʲite kɯdasai.",
    "sono hoɴ βa, ʦɨkɯe no ɯe ɲi aɾʲimasɨ.",
    "namae o, koko ɲi kaite kɯdasai.",
    "βataɕi no ane βa, bʲoːiɴ de hataɾaite imasɨ.",
    "moːiʨido, jɯʔkɯɾʲi hanaɕite kɯɾe maseɴ ka.",
    "mado o akeɾɯ to, ɯmʲi no ɲioi ɡa ɕi maɕita.",
    "kono maʨi ɲi βa, ɸɯɾɯi haɕi ɡa mʲiʔʦɨ aɾʲimasɨ.",
    "ɾaiɕɨː no kaiɡʲi βa, sɨijoːbʲi ɲi kaβaɾʲi maɕita.",
    "ame ɡa ɸɯɾɯ mae ɲi, ie ɲi kaeɾʲi maɕoː.",
    "kaɾe βa ataɾaɕii ʥiteɴɕa o, maiɲiʨi mʲiɡaite iɾɯ.",
    "doːɕite kʲinoː, deɴβa o kɯɾe nakaʔta no.",
    "ʦɨmetai mʲizɨ o, iʔpai itadake masɨ ka.",
    "kodomo taʨi βa, ɲiβa de oːkʲina koe o daɕite asonde ita.",
    "kʲiʔpɯ o nakɯɕita çito βa, madoɡɯʨi ɲi kʲite kɯdasai.",
)


def english(count: int, seed: int) -> Dict[str, str]:
    """Return `count` different sentences, `e000` and so on -> text.

    Args:
        count: how many; some 30,000 are possible.
        seed: another seed, other sentences.
    """
    rng = generator(seed, "sentences")
    said: List[str] = list(_ASKED[:count])
    while len(said) < count:
        words = [str(rng.choice(part)) for part in (_WHO, _DID, _WHAT, _WHEN)]
        text = " ".join(words)
        text = text[0].upper() + text[1:]
        if text not in said:
            said.append(text)
    return {f"e{i:03d}": text for i, text in enumerate(said)}
