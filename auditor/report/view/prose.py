"""Sentences that stand in every report: what the words mean and what an audit cannot say."""

from __future__ import annotations

LIMITS = (
    "An association is not a cause. The audit shows on which images this model gives a class "
    "more probability. It does not show why, nor that a decision would change without the concept.",
    "Effects are computed from the model's output. A feature may matter only together with others and not "
    "show in images of a concept alone. A concept without an association may therefore still matter.",
    "A result holds for the images of a bank that carry a label, as the bank's makers assigned it. "
    "Labels of people are perceptions by raters, not facts about a person.",
    "Texture, colour, lighting and photographic source differ between sets of images. Contrasts are checked "
    "for light, sharpness, compression and size; a difference may still come from something else.",
    "Effects depend on how certain the model is. The report gives the effect of each claim again for "
    "a less certain and a more certain model.",
    "The paper's score has no sign and grows with any difference between two sets of images. It is shown "
    "for comparison; no conclusion rests on it.",
    "Nothing here measures accuracy, error rates or selection rates for groups of people, and nothing here "
    "is a bias audit under New York City's Local Law 144 or a conformity assessment under any regulation.",
)

SOURCES_OF_BIAS = (
    "Bias can enter in several places. The model learned from images that an audit does not see. The images "
    "of a bank come from somewhere: who is pictured, where and by whom may differ between labels. Labels are "
    "what raters or makers assigned, with their errors and their view. The images compared with decide the "
    "size of an effect. Whoever audits chooses the classes, the banks and the margins. The following is what "
    "the datasheets of the banks say. This audit did not check it."
)
NO_SOURCES = "The datasheet says nothing about it."
SOURCE_HEADINGS = ("composition", "labels", "collection and consent", "known defects")
"""Headings of a datasheet under which sources of bias are named."""

SCAN_LIMITS = (
    "Nothing confirmed does not mean that there is no association. A small effect, few images, or a concept "
    "that no bank has stay unseen; a pair that was not selected was not tested.",
    "An association is not a cause. The scan shows on which images this model gives a class more "
    "probability. It does not show why, nor that a decision would change without the concept.",
    *LIMITS[2:3],
    "Texture, colour, lighting and photographic source differ between sets of images. Before a finding is "
    "acted on, an audit of its class looks closer (auditor run).",
    "Nothing here measures accuracy, error rates or selection rates for groups of people. Nothing here says "
    "that a model is fair, and nothing certifies it.",
)
"""What a scan does not say."""

IMPRESSIONS_WARNING = (
    "No photos were {had} for {classes}: the images that stand for the class were made from the model "
    "itself. They show what the model looks for, not how the class looks in photos. Scores and contrasts do "
    "not rest on them; the occluder, importance and the layers do. How much these can be trusted was "
    "measured on eight classes of efficientnet_lite0: occluders learned on impressions change the prediction "
    "on {lost:.0%} of unseen photos or more. The channel importance from impressions and from photos "
    "correlates {late:.2f} in the last third of the layers; from two halves of the photos it correlates "
    "{ceiling:.2f}."
)
IMPRESSIONS_MEASURED = {"late": 0.61, "ceiling": 0.91, "lost": 0.97}
"""From docs/afi.md: mean rank correlations, and the smallest share of photos."""

FEW_CLASSES = (
    "The model has {classes} classes. A model that guesses gives a class a log-scaled probability of "
    "{chance:.2f}. The classes share one probability: what one gains, the others lose. Read effects of "
    "several classes as one finding. Effects are not compared with those of other classes."
)
TWO_CLASSES = (
    "Of two classes, what one gains in probability the other loses. Effects are on a "
    "logarithmic scale, so those of the two classes are not mirror images."
)

GLOSSARY = (
    (
        "Associated",
        "The whole adjusted interval of the effect lies above the equivalence margin, the corrected p-value "
        "is at most alpha, and no check forbids the claim.",
    ),
    (
        "Negatively associated",
        "The same on the other side: the whole interval lies below minus the margin. The class gets less "
        "probability on images with the label.",
    ),
    (
        "Not associated",
        "The whole adjusted interval lies within the margin: an effect that matters is ruled out.",
    ),
    ("Inconclusive", "The data support neither conclusion, or a check withholds it. The reason is given."),
    ("Not measured", "There is no number to conclude from. The reason is given."),
    (
        "Adjusted interval",
        "Widened so that all intervals of one kind in the audit hold together in 95 of 100 audits. "
        "Every conclusion rests on it.",
    ),
    (
        "AUC of a contrast",
        "Chance that a probe on the model's last features ranks a held-out image of the first group above "
        "one of the second. At 0.5 the model does not see the difference, and nothing is measured.",
    ),
    ("Bank", "A collection of images sorted by label, with a datasheet on where they come from."),
    (
        "Class impression",
        "An image made from the model alone, by changing noise until the model sees the class.",
    ),
    (
        "Class share",
        "Share of the model's other classes whose effect for the same label is at least as extreme, with "
        "the same sign. A small share means that the association is specific to this class.",
    ),
    ("Concept", "A label of a bank, together with the images that carry it."),
    (
        "Contrast",
        "A comparison of two groups of a bank, picture by picture where they are matched: does the "
        "log-scaled class probability differ between them?",
    ),
    ("Corrected p", "The p-value after Holm's correction for all tests of one kind in the audit."),
    (
        "Covariate balance",
        "How far two groups differ in something else, such as brightness, in standard "
        "deviations; below 0.1 in size is commonly taken as balanced.",
    ),
    (
        "Effect",
        "Mean log-scaled class probability on images with the label, less that on the images they are "
        "compared with. From -1 to 1.",
    ),
    ("Equivalence margin", "The smallest effect that matters, fixed before the audit."),
    ("Held-out", "Images of the class that the occluder was not learned on."),
    (
        "Independent images",
        "Images that belong together (one person, one source photo, copies and parts of one picture) count "
        "as one.",
    ),
    (
        "Log-scaled class probability",
        "ln(1 + K p) / ln(1 + K) for an image to which the model gives probability p of the class, among K "
        "classes: 0 for no probability, 1 for certainty. Changes far below 1/K have almost no "
        "effect on it.",
    ),
    (
        "Importance (AfI)",
        "How differently the class's meta-detectors respond to images with the label and to the bank's other "
        "images: squared maximum mean discrepancy, negative where they respond less, less the mean under the "
        "detectors of reference classes. The paper's measure with a sign, an interval and a test.",
    ),
    ("Meta-detector", "The sum of a layer's feature maps, weighted by their importance for the class."),
    (
        "Minimum detectable effect",
        "The smallest effect that this many images would establish with probability 0.8.",
    ),
    ("Occluder", "One perturbation, learned for the class, that hides the features the model needs for it."),
    (
        "Paper's score",
        "Concept importance as published by Wu et al. (CVPR 2020): maximum mean discrepancy summed "
        "over layers, as a share of the bank. Its standard deviation is over random benchmark draws and is "
        "not a confidence interval.",
    ),
    ("Reliability", "Rank correlation of channel importance between occluders learned on different images."),
    (
        "Sanity check",
        "A measurement whose outcome is known beforehand. Where it fails, the findings that it tests are "
        "withheld.",
    ),
    (
        "Screening",
        "A bank of rendered people can show that a model responds to how a person is styled or rendered. It "
        "says nothing about people. So nothing is claimed from it: an effect beyond the margin is a reason "
        "to look with photos.",
    ),
    (
        "Seen in",
        "Whether an association is claimed from the model's output (effect), from the class's features "
        "(importance), from both or from neither. What is not seen may still be there. On planted networks "
        "12 of 13 associations seen in both had a causal effect above 0.1, and 23 of 56 seen in the output "
        "only (docs/afi.md).",
    ),
    (
        "Similarity",
        "Rank correlation of channel importance with that of other classes; high means that the layer "
        "is not specific to the class.",
    ),
    (
        "Temperature",
        "The model's logits are divided by it. Above 1 the model becomes less certain; its ranking of "
        "classes stays.",
    ),
)

SIGNATURE_FIELDS = (
    ("Reviewer", "Name and role"),
    ("Date", "Day of the review"),
    ("Decision", "Accepted, accepted with conditions, or refused; with the reason"),
    ("Signature", "Of the responsible person"),
)
