"""Which model reads handwritten digits best? A task for each of them. Needs scikit-learn.

    flow run examples/digits_flow.py
    flow run examples/digits_flow.py --models="nearest neighbours"
    python -c "from penstock import Flow; print(Flow('DigitsFlow').latest_run.data.model)"
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from penstock import FlowSpec, Parameter, step

MODELS = {
    "nearest neighbours": [KNeighborsClassifier(n_neighbors=n) for n in (1, 3, 5)],
    "logistic regression": [LogisticRegression(C=c, max_iter=2000) for c in (0.01, 0.1)],
    "random forest": [RandomForestClassifier(n_estimators=n, random_state=0) for n in (10, 50)],
}


class DigitsFlow(FlowSpec):
    """Fit every model with each of its settings, and keep the one with the best score on digits it has not seen."""

    models = Parameter("models", separator=",", default=",".join(MODELS), help="Names, separated by commas.")

    @step
    def start(self):
        digits = load_digits()
        self.train_x, self.test_x, self.train_y, self.test_y = train_test_split(
            digits.data, digits.target, test_size=0.3, random_state=0
        )
        self.candidates = [model for name in self.models for model in MODELS[name]]
        self.next(self.fit, foreach="candidates")

    @step
    def fit(self):
        self.model = self.input.fit(self.train_x, self.train_y)
        self.score = self.model.score(self.test_x, self.test_y)
        print(f"{self.score:.3f}  {self.model}")
        self.next(self.choose)

    @step
    def choose(self, inputs):
        best = max(inputs, key=lambda one: one.score)
        self.model, self.score = best.model, best.score
        self.scores = {str(one.model): one.score for one in inputs}
        self.next(self.end)

    @step
    def end(self):
        print(f"best of {len(self.scores)}: {self.model}, {self.score:.1%} right")


if __name__ == "__main__":
    DigitsFlow()
