# What the package exports, each from where it is defined; read by type checkers and by its lazy loader.
from .crops import register_files as register_files
from .detector import Detector as Detector
from .face import Face as Face
from .face import FaceDetector as FaceDetector
from .face import Track as Track
from .files import Summary as Summary
from .files import detect_files as detect_files
from .overlay import draw_faces as draw_faces
from .score import Scores as Scores
from .score import score_detections as score_detections
from .table import read_detections as read_detections
from .trained import FGNetDetector as FGNetDetector
from .trained import IntensityDetector as IntensityDetector
from .trained import TrainedDetector as TrainedDetector
from .trained import trained_detector as trained_detector
