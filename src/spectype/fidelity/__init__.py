"""Are synthetic spectra physical, new and varied?"""
