"""Sentences that stand in every report: what the words mean and what an audit cannot say."""

from __future__ import annotations

LIMITS = (
    "An association is not a cause. The audit shows which images speak for a class in this model, "
    "not why, and not that a decision would change if the concept were removed.",
    "The score listens to the output, the layers are shown beside it. A feature that counts only "
    "together with others may not show in images of a concept alone, so a concept without an association "
    "may still matter.",
    "A result speaks about the images of the bank that were given a label, as the bank's makers gave it. "
    "Labels of people are perceptions by raters; they say nothing about who a person is.",
    "Texture, colour, lighting and photographic source differ between sets of images. Where groups were "
    "not matched on such properties, a difference may come from them.",
    "The paper's score has no sign and grows with any difference between two sets of images. It is shown "
    "for comparison; no verdict rests on it.",
    "Nothing here measures accuracy, error rates or selection rates for groups of people, and nothing here "
    "is a bias audit under New York City's Local Law 144 or a conformity assessment under any regulation.",
)

IMPRESSIONS_WARNING = (
    "No photos were given for {classes}: the images that stand for the class were made from the model "
    "itself. They show what it looks for, not what the world looks like. Scores of concepts come from the "
    "model's output and do not rest on them; the occluder and the layers do. How far to trust these was "
    "measured on three classes of efficientnet_lite0: channel profiles from impressions and from photos "
    "correlate {late:.2f} in the last third of the layers and {early:.2f} before (two parts of the photos: "
    "{ceiling:.2f}), and occluders learned on impressions work on at most {lost:.0%} of the photos. Audit "
    "again with photos before relying on either."
)
IMPRESSIONS_MEASURED = {"late": 0.54, "ceiling": 0.85, "early": 0.13, "lost": 0.04}
"""From docs/benchmarks-impressions.md: rank correlations, and a share of photos."""

GLOSSARY = (
    (
        "Associated",
        "The whole 95% interval of the score lies above the margin of relevance, and the corrected "
        "p-value is below alpha.",
    ),
    ("Inhibiting", "The same on the other side: images with the label lower the evidence for the class."),
    ("Not associated", "The whole interval lies within the margin: an effect that matters was ruled out."),
    ("Inconclusive", "Everything else. The data allow neither claim, or a control failed."),
    ("Bank", "A collection of images sorted by label, with a datasheet on where they come from."),
    (
        "Class impression",
        "An image made from the model alone, by changing noise until the model sees the class.",
    ),
    ("Concept", "A label of a bank, together with the images that carry it."),
    (
        "Contrast",
        "A comparison of two groups of a bank: does the logarithm of the class's probability, less that of "
        "all classes, differ between them? In standard deviations within groups.",
    ),
    (
        "Control",
        "A measurement whose outcome is known beforehand. If it fails, the claims beside it do not count.",
    ),
    (
        "Classes as far",
        "Share of all the model's classes whose score for the same label is at least as far, on "
        "the same side. Small means that the association is this class's own; large, that many classes "
        "show it.",
    ),
    ("Corrected p", "The p-value after Holm's correction for all tests of the audit taken together."),
    (
        "Covariate balance",
        "How far two groups differ in something else, such as brightness, in standard "
        "deviations; below 0.1 in size is commonly taken as balanced.",
    ),
    (
        "Evidence",
        "ln(1 + K p) / ln(1 + K) for an image to which the model gives probability p of the class, among K "
        "classes: 0 where the class has no chance, 1 where the model is certain. Changes far below chance "
        "count for nothing.",
    ),
    ("Held-out", "Images of the class that the occluder was not learned on."),
    ("Margin of relevance", "The smallest effect that matters, fixed before the audit."),
    ("Meta-detector", "The sum of a layer's feature maps, weighted by their importance for the class."),
    ("Occluder", "One perturbation, learned for the class, that hides the features the model needs for it."),
    (
        "Paper's score",
        "Concept importance as published by Wu et al. (CVPR 2020): maximum mean discrepancy summed "
        "over layers, as a share of the bank. Its standard deviation is over random benchmark draws and is "
        "not a confidence interval.",
    ),
    ("Reliability", "Rank correlation of channel importance between occluders learned on different images."),
    (
        "Score",
        "Mean evidence for the class on images with the label, less that on the images they are compared "
        "with: the same pictures without the concept where the bank has them, else its control images, else "
        "its other concepts. From -1 to 1.",
    ),
    (
        "Similarity",
        "Rank correlation of channel importance with that of other classes; high means that the layer "
        "says the same about any class.",
    ),
    (
        "Smallest detectable",
        "The smallest score that this many images would have shown with probability 0.8.",
    ),
)

SIGNATURE_FIELDS = (
    ("Reviewer", "Name and role"),
    ("Date", "Day of the review"),
    ("Decision", "Accepted, accepted with conditions, or refused; with the reason"),
    ("Signature", "Of the responsible person"),
)
