"""Compare results with the truth, or with each other: the one definition of each figure that is reported.

    mIoU                  `confusion.mean_iou`: labels against the truth, as in PASCAL VOC and Cityscapes
    boundary F            `boundary.mean_boundary_f`: how well the edges between classes lie
    AP                    `average_precision.average_precision`: objects against the truth, COCO's
    flicker               `flicker.flicker`: share of pixels that change their label though the truth does not
    switches, IDF1        `identity.IdentityErrors`: how well tracks stay with objects
    label agreement       `label_agreement.LabelErrors.label_agreement`: share of equal pixels of two results
    class overlap         `label_agreement.LabelErrors.class_overlap`: mean IoU of two results
    matched, missed, ..   `object_agreement.ObjectErrors`: objects of two results, pair by pair
    F1 by score           `object_agreement.score_weighted_f1`: of two results, in one figure

mIoU is only ever against the truth; what two results have in common has names of its own.
"""
